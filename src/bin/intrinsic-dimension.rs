fn main() -> std::process::ExitCode {
    molrg::programs::main("intrinsic-dimension", molrg::revision!())
}
