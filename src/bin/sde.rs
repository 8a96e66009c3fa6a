fn main() -> std::process::ExitCode {
    molrg::programs::main("sde", molrg::revision!())
}
