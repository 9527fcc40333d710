//! Nothing panics or takes long, whatever the bytes.

use std::time::{Duration, Instant};

/// A generator that needs no more than a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }
}

const MANIFEST: &str = r#"# a comment
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop, labels: &labels { app: shop } }
spec:
  replicas: 0x2
  selector: { matchLabels: *labels }
  template:
    metadata:
      labels:
        <<: *labels
        tier: "web"
    spec:
      terminationGracePeriodSeconds: 30
      containers:
        - name: shop
          image: 'shop:1'
          args: ["--a", !!str 12, ~, .5]
          env:
          - name: TEXT
            value: |-
              several
                lines
          - { name: FOLDED, value: >
              a b }
          lifecycle: {preStop: {sleep: {seconds: 5}}}
---
{"apiVersion": "v1", "kind": "List", "items": [{"kind": "Pod", "apiVersion": "v1", "\u00e9": [1e3, -0.5]}]}
---
"#;

const PARTS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    "- ",
    "-",
    "\n",
    "\n---\n",
    "&a ",
    "*a",
    "*labels",
    "<<: *labels",
    "!!int ",
    "!",
    "'",
    "\"",
    "|",
    ">",
    "#",
    "\t",
    " ",
    "  ",
    "? ",
    ",",
    "%YAML 1.1\n",
    "{{ x }}",
    "\u{FEFF}",
    "\u{85}",
    "é",
    "\0",
    "\\",
    "\\ud800",
    "0x",
    "1e9",
    "\r",
    "...\n",
    "~",
    "yes",
];

fn mutate(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = MANIFEST.as_bytes().to_vec();
    for _ in 0..=dice.roll(6) {
        let at = dice.roll(bytes.len());
        match dice.roll(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..(at + dice.roll(30)).min(bytes.len()))),
            2 => bytes[at] = u8::try_from(dice.roll(256)).unwrap(),
            3 => {
                let from = dice.roll(bytes.len());
                let copy = bytes[from..(from + dice.roll(60)).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => {
                let part = PARTS[dice.roll(PARTS.len())].as_bytes();
                bytes.splice(at..at, part.iter().copied());
            }
        }
        if bytes.is_empty() {
            return bytes;
        }
    }
    bytes
}

#[test]
fn no_text_panics_or_takes_long() {
    let seed = 20_261_120;
    let mut dice = Dice(seed);
    let begun = Instant::now();
    let (mut whole, mut broken) = (0, 0);
    for round in 0..2000 {
        let bytes = mutate(&mut dice);
        let started = Instant::now();
        let (documents, findings) = crate::yaml::read("a.yaml", &bytes);
        let lines = bytes.split(|byte| *byte == b'\n').count();
        for finding in &findings {
            let line = finding.place.line;
            assert!(line >= 1 && line <= lines, "seed {seed}, round {round}: {finding:?}");
        }
        for document in &documents {
            whole += 1;
            drop(crate::schema::check(document));
        }
        broken += usize::from(!findings.is_empty());
        let took = started.elapsed();
        assert!(took < Duration::from_secs(5), "seed {seed}, round {round}: {took:?}");
    }
    println!("seed {seed}: {whole} documents, {broken} broken texts, {:?}", begun.elapsed());
    assert!(whole > 400 && broken > 400, "seed {seed}: {whole} and {broken}");
}

#[test]
fn large_texts_of_one_kind_do_not_take_long() {
    for part in [
        "- ",
        "-\n",
        "a: 1\n",
        "[",
        "{a: ",
        "[a,",
        "? ",
        "a\n",
        "\"",
        "#",
        "---\n",
        "a: 1\n---\n",
        "&a ",
        "'",
        "x: &x [*x]\n---\n",
        "{{",
        "\t",
        " ",
        "\n",
        "k: {}\n",
        "- - ",
        "{\"a\":1}\n",
        "!a ",
        "a: |\n",
        "\\",
        "- a\n",
        "a b ",
        "[],",
        "%a\n",
        "\r",
    ] {
        for head in ["", "a: [", "a:\n "] {
            let text = format!("{head}{}", part.repeat((32 << 10) / part.len()));
            let started = Instant::now();
            crate::yaml::read("a.yaml", text.as_bytes());
            let took = started.elapsed();
            assert!(took < Duration::from_secs(5), "{head:?} and {part:?} took {took:?}");
        }
    }
}
