fn main() -> std::process::ExitCode {
    molrg::programs::main("image-quality", molrg::revision!())
}
