fn main() -> std::process::ExitCode {
    molrg::programs::main("rfm", molrg::revision!())
}
