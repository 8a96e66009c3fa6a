fn main() -> std::process::ExitCode {
    molrg::programs::main("bridge", molrg::revision!())
}
