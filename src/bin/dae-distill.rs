fn main() -> std::process::ExitCode {
    molrg::programs::main("dae-distill", molrg::revision!())
}
