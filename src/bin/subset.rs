fn main() -> std::process::ExitCode {
    molrg::programs::main("subset", molrg::revision!())
}
