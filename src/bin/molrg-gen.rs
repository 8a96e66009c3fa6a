fn main() -> std::process::ExitCode {
    molrg::programs::main("molrg-gen", molrg::revision!())
}
