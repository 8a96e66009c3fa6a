fn main() -> std::process::ExitCode {
    molrg::programs::main("dae-serve", molrg::revision!())
}
