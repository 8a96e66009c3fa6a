fn main() -> std::process::ExitCode {
    molrg::programs::main("probe", molrg::revision!())
}
