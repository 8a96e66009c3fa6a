fn main() -> std::process::ExitCode {
    molrg::programs::main("dae-fit", molrg::revision!())
}
