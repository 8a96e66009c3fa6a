fn main() -> std::process::ExitCode {
    molrg::programs::main("linear-theory", molrg::revision!())
}
