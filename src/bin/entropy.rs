fn main() -> std::process::ExitCode {
    molrg::programs::main("entropy", molrg::revision!())
}
