fn main() -> std::process::ExitCode {
    molrg::programs::main("linearity", molrg::revision!())
}
