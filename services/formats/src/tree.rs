//! Native content as a tree of names and texts, whatever its syntax; names and texts stay where
//! they were, and the whole tree is one list of nodes.

use std::borrow::Cow;
use std::cell::Cell;

mod name;

pub(crate) use name::{Name, joined};
use name::{bit, mark};

/// What stood there, for syntaxes that tell texts from other things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text, or an element with its text.
    #[default]
    Text,
    /// Something with parts.
    Parts,
    /// One item of a list.
    Item,
    /// A list without items.
    NoItems,
}

/// One name with its text and its parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node<'a> {
    pub(crate) name: Cow<'a, str>,
    mark: u64,
    pub(crate) text: Cow<'a, str>,
    pub(crate) kind: Kind,
    pub(crate) parent: usize,
    /// The first and the last part, and what follows in the parent; 0: none.
    first: usize,
    last: usize,
    next: usize,
    /// A bit for the mark of every part's name: an absent name is mostly seen at once.
    names: u64,
    /// A description named this place.
    pub(crate) seen: Cell<bool>,
    /// Its text was looked at.
    pub(crate) read: Cell<bool>,
    /// Written without the prefix, parts included.
    pub(crate) bare: bool,
    /// Written with the prefix and its declaration, although its parents are bare.
    pub(crate) declares: bool,
    /// The file whose bytes stand here, by its place among the message's files.
    pub(crate) file: Option<usize>,
}

/// A tree; node 0 is its root.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
}

impl<'a> Tree<'a> {
    /// A tree of one name.
    pub(crate) fn new(name: impl Into<Cow<'a, str>>) -> Self {
        let mut nodes = Vec::with_capacity(64);
        let name = name.into();
        let mark = mark(&name);
        nodes.push(Node { name, mark, kind: Kind::Parts, ..Node::default() });
        Self { nodes }
    }

    /// Adds a part.
    pub(crate) fn add(&mut self, parent: usize, name: impl Into<Cow<'a, str>>) -> usize {
        let name = name.into();
        let mark = mark(&name);
        self.put(parent, name, mark)
    }

    /// Adds a part of a name that a description gives.
    pub(crate) fn add_named(&mut self, parent: usize, name: &'a Name) -> usize {
        self.put(parent, Cow::Borrowed(&name.text), name.mark)
    }

    fn put(&mut self, parent: usize, name: Cow<'a, str>, mark: u64) -> usize {
        let place = self.nodes.len();
        let bare = self.nodes[parent].bare;
        self.nodes.push(Node { name, mark, parent, bare, ..Node::default() });
        self.nodes[parent].names |= bit(mark);
        match std::mem::replace(&mut self.nodes[parent].last, place) {
            0 => self.nodes[parent].first = place,
            before => self.nodes[before].next = place,
        }
        self.nodes[parent].kind = match self.nodes[parent].kind {
            it @ (Kind::Item | Kind::NoItems) => it,
            Kind::Text | Kind::Parts => Kind::Parts,
        };
        place
    }

    /// Parts, in their order.
    pub(crate) fn children(&self, parent: usize) -> impl Iterator<Item = usize> + use<'_, 'a> {
        let there = |it: usize| (it != 0).then_some(it);
        let first = self.nodes.get(parent).map_or(0, |it| it.first);
        std::iter::successors(there(first), move |it| {
            there(self.nodes.get(*it).map_or(0, |it| it.next))
        })
    }

    /// True for a place without parts.
    pub(crate) fn is_end(&self, place: usize) -> bool {
        self.nodes[place].first == 0
    }

    /// Parts of this name, in their order.
    pub(crate) fn named(&self, parent: usize, name: &str) -> impl Iterator<Item = usize> {
        self.marked(parent, name, mark(name))
    }

    fn marked(&self, parent: usize, name: &str, mark: u64) -> impl Iterator<Item = usize> {
        let may_be = self.nodes.get(parent).is_some_and(|it| it.names & bit(mark) != 0);
        let children = may_be.then(|| self.children(parent)).into_iter().flatten();
        children.filter(move |it| {
            let node = &self.nodes[*it];
            node.mark == mark && node.name == name
        })
    }

    /// Every place at the end of a path; an attribute's name begins with `@`.
    pub(crate) fn all(&self, from: usize, path: &[Name]) -> Vec<usize> {
        let mut places = Vec::new();
        self.gather(from, path, &mut places);
        places
    }

    fn gather(&self, from: usize, path: &[Name], into: &mut Vec<usize>) {
        match path.split_first() {
            Some((name, rest)) if name.is_here => self.gather(from, rest, into),
            Some((name, rest)) => {
                self.marked(from, &name.text, name.mark).for_each(|it| self.gather(it, rest, into));
            }
            // A list that was written without items holds none.
            None => into.extend((self.nodes[from].kind != Kind::NoItems).then_some(from)),
        }
    }

    /// The first place at the end of a path.
    pub(crate) fn first(&self, from: usize, path: &[Name]) -> Option<usize> {
        let mut place = from;
        for name in path.iter().filter(|it| !it.is_here) {
            place = self.marked(place, &name.text, name.mark).next()?;
        }
        Some(place)
    }

    /// The place at the end of a path, made where it is missing.
    pub(crate) fn make(&mut self, from: usize, path: &'a [Name]) -> usize {
        let mut place = from;
        for name in path.iter().filter(|it| !it.is_here) {
            let found = self.marked(place, &name.text, name.mark).next();
            place = found.unwrap_or_else(|| self.add_named(place, name));
        }
        place
    }

    /// How people find a place: names from the root, with a number where a name repeats.
    pub(crate) fn path(&self, place: usize) -> String {
        self.path_within(0, place)
    }

    /// The same from another place.
    pub(crate) fn path_within(&self, root: usize, mut place: usize) -> String {
        let mut names = Vec::new();
        while place != 0 && place != root {
            let node = &self.nodes[place];
            let twins: Vec<usize> = self.marked(node.parent, &node.name, node.mark).collect();
            let number = twins.iter().position(|it| *it == place).unwrap_or_default();
            let name = guarded(&node.name);
            names.push(if twins.len() > 1 || node.kind == Kind::Item {
                format!("{name}[{number}]")
            } else {
                name.into_owned()
            });
            place = node.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// Marks a place and everything in it as read.
    pub(crate) fn read_all(&self, place: usize) {
        self.nodes[place].seen.set(true);
        self.nodes[place].read.set(true);
        self.children(place).for_each(|it| self.read_all(it));
    }
}

/// A name as it stands in a path; marks that paths are made of are spelled out.
fn guarded<'n>(name: &'n str) -> Cow<'n, str> {
    if name.contains(['~', '/', '[']) {
        Cow::Owned(name.replace('~', "~0").replace('/', "~1").replace('[', "~2"))
    } else {
        Cow::Borrowed(name)
    }
}

/// A name out of a path.
pub(crate) fn plain(name: &str) -> String {
    name.replace("~2", "[").replace("~1", "/").replace("~0", "~")
}
