//! What the definition is made into: structs with defaults, and a table of all keys.

use super::*;

/// Some keys that belong together.
pub(crate) struct Section {
    pub(crate) name: &'static str,
    /// What they are about.
    pub(crate) about: &'static str,
    pub(crate) keys: &'static [Key],
}

/// One thing that can be set.
pub(crate) struct Key {
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// Its variable, where that has a name of its own.
    pub(super) env: Option<&'static str>,
    /// Its flag, where that has a name of its own.
    pub(super) flag: Option<&'static str>,
    /// What may stand there.
    pub(crate) wanted: fn() -> String,
    pub(crate) show: fn(&Config) -> String,
    pub(crate) set: fn(&mut Config, &str) -> Result<(), String>,
    /// May be a flag without a value.
    pub(crate) is_switch: bool,
    /// May be a list in a file.
    pub(crate) is_list: bool,
    /// Must not be seen by others.
    pub(crate) is_secret: bool,
}

impl Key {
    /// As it is named in messages: `web.listen`.
    pub(crate) fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// `SUNDOWN_WEB_LISTEN`.
    pub(crate) fn env(&self) -> String {
        let usual = || format!("SUNDOWN_{}_{}", self.section, self.name).to_uppercase();
        self.env.map_or_else(usual, str::to_owned)
    }

    /// `--web-listen`.
    pub(crate) fn flag(&self) -> String {
        let usual = || format!("--{}-{}", self.section, self.name).replace('_', "-");
        self.flag.map_or_else(usual, |flag| format!("--{flag}"))
    }

    /// Every key, in the order of the definition.
    pub(crate) fn all() -> impl Iterator<Item = &'static Key> {
        SECTIONS.iter().flat_map(|section| section.keys)
    }
}

macro_rules! configuration {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $struct:ident {
            $(
                $(#[doc = $help:literal])+
                $key:ident: $type:ty = $default:expr $(, env $env:literal)? $(, flag $flag:literal)?;
            )*
        }
    )*) => {
        /// Everything that can be set.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct Config {
            $($(#[doc = $about])+ pub(crate) $section: $struct,)*
        }

        $(
            $(#[doc = $about])+
            #[derive(Debug, Clone)]
            pub(crate) struct $struct {
                $($(#[doc = $help])+ pub(crate) $key: $type,)*
            }

            impl Default for $struct {
                fn default() -> Self {
                    $struct { $($key: $default,)* }
                }
            }
        )*

        /// Every section, in the order of the definition.
        pub(crate) const SECTIONS: &[Section] = &[$(
            Section {
                name: stringify!($section),
                about: concat!($($about),+),
                keys: &[$(
                    Key {
                        section: stringify!($section),
                        name: stringify!($key),
                        help: concat!($($help),+),
                        env: define::first(&[$($env)?]),
                        flag: define::first(&[$($flag)?]),
                        wanted: <$type as Value>::wanted,
                        show: |config| config.$section.$key.show(),
                        set: |config, text| {
                            config.$section.$key = Value::parse(text)?;
                            Ok(())
                        },
                        is_switch: <$type as Value>::IS_SWITCH,
                        is_list: <$type as Value>::IS_LIST,
                        is_secret: <$type as Value>::IS_SECRET,
                    },
                )*],
            },
        )*];
    };
}

pub(super) use configuration;

pub(super) const fn first(given: &[&'static str]) -> Option<&'static str> {
    match given {
        [] => None,
        [first, ..] => Some(*first),
    }
}
