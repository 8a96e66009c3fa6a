fn main() -> std::process::ExitCode {
    molrg::programs::main("npy", molrg::revision!())
}
