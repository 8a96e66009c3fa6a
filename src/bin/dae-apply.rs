fn main() -> std::process::ExitCode {
    molrg::programs::main("dae-apply", molrg::revision!())
}
