//! What two runs of one command cannot have in common, taken out of their output.

/// Replaces ids, instants, ages, versions and addresses by words, and table gaps by two blanks.
pub(super) fn normal(text: &str, names: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (name, word) in names {
        text = text.replace(name, word);
    }
    let lines = text.lines().map(|line| line_normal(line) + "\n");
    lines.collect()
}

fn line_normal(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words = line.trim().split("  ").filter(|word| !word.is_empty());
    let words: Vec<String> = words.map(|word| tokens_normal(word.trim())).collect();
    // What follows a version or an instant depends on its length.
    " ".repeat(indent) + &words.join("  ")
}

fn tokens_normal(words: &str) -> String {
    let mut previous = String::new();
    let mut normal = String::new();
    let mut token = String::new();
    for letter in words.chars().chain([' ']) {
        if letter.is_ascii_alphanumeric() || "-_:.".contains(letter) {
            token.push(letter);
            continue;
        }
        // `kubectl diff` compares files in folders of random names.
        for folder in ["LIVE-", "MERGED-"] {
            if token.starts_with(folder) {
                folder.clone_into(&mut token);
            }
        }
        let bare = token.trim_end_matches([':', '.']);
        let rest = &token[bare.len()..];
        normal.push_str(&token_normal(bare, &previous));
        normal.push_str(rest);
        normal.push(letter);
        if !bare.is_empty() {
            bare.clone_into(&mut previous);
        }
        token.clear();
    }
    normal.trim_end().to_owned()
}

fn token_normal(token: &str, previous: &str) -> String {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    let version = previous.ends_with("resourceVersion") || previous.ends_with("ResourceVersion");
    let word = match token {
        "" => "",
        _ if is_uuid(token) => "UID",
        _ if is_instant(token) => "TIME",
        _ if is_age(token) => "AGE",
        _ if is_address(token) => "ADDRESS",
        _ if digits && version => "VERSION",
        _ => token,
    };
    word.to_owned()
}

fn is_uuid(token: &str) -> bool {
    let lengths: Vec<usize> = token.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && token
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn is_instant(token: &str) -> bool {
    let shape: String = token
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '9' } else { letter })
        .collect();
    shape.starts_with("9999-99-99T99:99:99")
        || shape == "9999-99-99"
        || shape.starts_with("99:99:99")
}

fn is_age(token: &str) -> bool {
    let known = token.strip_suffix(['s', 'm', 'h', 'd']);
    known.is_some_and(|rest| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_digit() || b"mhd".contains(&byte))
    })
}

fn is_address(token: &str) -> bool {
    let address = token.rsplit_once(':').map_or(token, |(address, _)| address);
    address.parse::<std::net::Ipv4Addr>().is_ok()
}

#[test]
fn takes_out_what_differs_and_nothing_else() {
    for (text, expected) in [
        ("name: web", "name: web\n"),
        ("uid: 12345678-1234-1234-1234-1234567890ab", "uid: UID\n"),
        (
            "creationTimestamp: \"2026-11-23T18:30:00Z\"",
            "creationTimestamp: \"TIME\"\n",
        ),
        (
            "resourceVersion: \"1234\"",
            "resourceVersion: \"VERSION\"\n",
        ),
        (
            "\"resourceVersion\": \"1234\",",
            "\"resourceVersion\": \"VERSION\",\n",
        ),
        (
            "web   1/1   Running   0   12s",
            "web  1/1  Running  0  AGE\n",
        ),
        (
            "dial https://127.0.0.1:8080/api: refused",
            "dial https://ADDRESS/api: refused\n",
        ),
        ("port: 80", "port: 80\n"),
        (
            "--- /tmp/LIVE-123/v1.x\t2026-11-23 18:56:37.76 +0000",
            "--- /tmp/LIVE-/v1.x\tTIME TIME +0000\n",
        ),
        ("in namespace ns-1 it is", "in namespace NS it is\n"),
    ] {
        assert_eq!(normal(text, &[("ns-1", "NS")]), expected, "{text}");
    }
}
