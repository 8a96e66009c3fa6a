fn main() -> std::process::ExitCode {
    molrg::programs::main("dae-features", molrg::revision!())
}
