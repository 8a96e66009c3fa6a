fn main() -> std::process::ExitCode {
    molrg::programs::main("pfd", molrg::revision!())
}
