fn main() -> std::process::ExitCode {
    molrg::programs::main("icl", molrg::revision!())
}
