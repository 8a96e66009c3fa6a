fn main() -> std::process::ExitCode {
    molrg::programs::main("ridge", molrg::revision!())
}
