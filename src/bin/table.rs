fn main() -> std::process::ExitCode {
    molrg::programs::main("table", molrg::revision!())
}
