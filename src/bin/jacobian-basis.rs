fn main() -> std::process::ExitCode {
    molrg::programs::main("jacobian-basis", molrg::revision!())
}
