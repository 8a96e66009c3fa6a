fn main() -> std::process::ExitCode {
    molrg::programs::main("fig", molrg::revision!())
}
