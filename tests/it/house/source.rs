//! The package as files, and the paths that a Rust file mentions.

use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, LitStr, Macro, UseTree};

/// The folder of Cargo.toml.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files with this extension under a folder of the package, sorted; none when the folder does not exist.
pub fn files_under(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The text of a file.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A Rust file under `src`, read.
pub struct Source {
    /// Its path from the root of the package, for people.
    pub name: String,
    /// Its module, from the crate's root: `["messenger", "waba"]`.
    pub module: Vec<String>,
    /// Every path it mentions, `use` lines spelled out and `crate`, `self` and `super` resolved: `["crate", "model", "id"]`.
    pub paths: Vec<Vec<String>>,
    /// Every string literal that is not documentation. What stands in a macro call is one string.
    pub strings: Vec<String>,
}

/// Reads all files under `src`.
pub fn sources() -> Vec<Source> {
    files_under("src", "rs").iter().map(|path| parse(path, &read(path))).collect()
}

/// Reads one file.
pub fn parse(path: &Path, text: &str) -> Source {
    let short = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    let mut module: Vec<_> = short.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if module == ["lib"] {
        module.clear();
    }
    let mut reader = Reader { module: module.clone(), ..Reader::default() };
    reader.visit_file(&syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
    let name = path.strip_prefix(root()).unwrap().display().to_string();
    Source { name, module, paths: reader.paths, strings: reader.strings }
}

#[derive(Default)]
struct Reader {
    module: Vec<String>,
    paths: Vec<Vec<String>>,
    strings: Vec<String>,
}

impl Reader {
    fn note(&mut self, path: &[String]) {
        let above = path.iter().take_while(|part| *part == "super").count();
        let relative = path.first().is_some_and(|first| first == "self" || first == "super");
        if !relative {
            self.paths.push(path.to_vec());
            return;
        }
        let parent = self.module.len().saturating_sub(above);
        let rest = path.iter().skip(above.max(1));
        let resolved = ["crate".to_owned()].into_iter().chain(self.module[..parent].iter().cloned());
        self.paths.push(resolved.chain(rest.cloned()).collect());
    }

    fn note_use(&mut self, tree: &UseTree, before: &[String]) {
        let with = |part: &syn::Ident| [before, &[part.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.note_use(&path.tree, &with(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.note_use(item, before)),
            UseTree::Name(name) => self.note(&with(&name.ident)),
            UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            UseTree::Glob(_) => self.note(before),
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(&parts);
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_lit_str(&mut self, literal: &'ast LitStr) {
        self.strings.push(literal.value());
    }

    /// What a macro is called with is not parsed, so its words are read as they come: `crate :: model :: id`.
    fn visit_macro(&mut self, call: &'ast Macro) {
        let words = call.tokens.to_string();
        let spaced = words.replace("::", " :: ");
        let parts: Vec<_> = spaced.split(|c: char| c.is_whitespace() || "(){}[],&".contains(c)).collect();
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        for start in parts.iter().enumerate().filter(|(_, part)| ["crate", "super"].contains(part)).map(|(at, _)| at) {
            let path: Vec<_> = parts[start..]
                .chunks(2)
                .scan(true, |more, pair| {
                    let part = more.then(|| pair[0].to_owned());
                    *more = pair.get(1) == Some(&"::");
                    part
                })
                .collect();
            // `super::super` would be met twice, the second time one level too low
            if start == 0 || parts[start - 1] != "::" {
                self.note(&path);
            }
        }
        if words.contains('"') {
            self.strings.push(words);
        }
    }

    /// Documentation is an attribute with a string; it may speak of anything.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}
