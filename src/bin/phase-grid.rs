fn main() -> std::process::ExitCode {
    molrg::programs::main("phase-grid", molrg::revision!())
}
