fn main() -> std::process::ExitCode {
    molrg::programs::main("mixture", molrg::revision!())
}
