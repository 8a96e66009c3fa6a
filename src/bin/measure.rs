fn main() -> std::process::ExitCode {
    molrg::programs::main("measure", molrg::revision!())
}
