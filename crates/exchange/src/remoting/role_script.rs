pub fn role_script(_: &str, _: bool) -> String {
    String::new()
}
