fn main() -> std::process::ExitCode {
    molrg::programs::main("restore", molrg::revision!())
}
