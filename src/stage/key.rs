//! Names as one component of an object's key, and back.

/// Starts an escape. Not `%`: some stores and proxies decode that once more on the way.
const ESCAPE: char = '=';

/// Writes a name so that it is one component of a key on every storage: ASCII letters, digits, `_`,
/// `-`, `.` (not first) and everything beyond ASCII stay, each other byte becomes `=` and two
/// hexadecimal digits.
pub(super) fn escape(name: &str) -> String {
    let mut key = String::with_capacity(name.len());
    for (index, c) in name.char_indices() {
        let kept = c.is_ascii_alphanumeric()
            || matches!(c, '_' | '-')
            || (c == '.' && index > 0)
            || (!c.is_ascii() && !c.is_whitespace() && !c.is_control());
        if kept {
            key.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                key.push(ESCAPE);
                key.push_str(&format!("{byte:02X}"));
            }
        }
    }
    key
}

/// The name that was escaped; `None` if no name of ours looks like that.
pub(super) fn unescape(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key;
    while let Some((before, after)) = rest.split_once(ESCAPE) {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = after.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    let name = String::from_utf8(bytes).ok()?;
    // `=41` is no spelling of `A`: two keys for one name would be two histories of it.
    (escape(&name) == key && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back() {
        for name in
            ["lake", "a.b", ".a", "my stage", "été", "日本", "a/b", "a=b", "50%", "'x'", "a\u{a0}b"]
        {
            let key = escape(name);
            assert!(!key.contains(['/', ' ', '%', '\'']), "{key}");
            assert_eq!(unescape(&key).as_deref(), Some(name));
        }
        assert_eq!(escape("my stage.x"), "my=20stage.x");
    }

    #[test]
    fn a_second_spelling_is_not_a_name() {
        for key in ["=41", "=4", "=", "=zz", "a b", "", "=2e", "=é"] {
            assert_eq!(unescape(key), None, "{key:?}");
        }
    }
}
