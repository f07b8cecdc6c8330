//! How a script lies in bytes, both ways.

/// How deep steps may lie in steps.
const DEPTH: u8 = 5;
/// How many lists a script may have, so that bytes that repeat themselves do not make a script that takes minutes.
const LISTS: u16 = 400;
/// How long each is at most.
const LENGTH: u8 = 4;

/// Reads what any bytes say; after their end all is zero, the harmless choice.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    depth: u8,
    lists: u16,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, depth: DEPTH, lists: LISTS }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }
}

pub(crate) trait Code: Sized {
    fn read(from: &mut Reader<'_>) -> Self;

    /// Bytes that are read as this, if it is no deeper and longer than what is ever read.
    fn write(&self, to: &mut Vec<u8>);
}

impl Code for u8 {
    fn read(from: &mut Reader<'_>) -> Self {
        from.byte()
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.push(*self);
    }
}

impl Code for bool {
    fn read(from: &mut Reader<'_>) -> Self {
        from.byte() % 2 == 1
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }
}

impl<T: Code> Code for Vec<T> {
    fn read(from: &mut Reader<'_>) -> Self {
        if from.depth == 0 || from.lists == 0 {
            return Self::new();
        }
        from.depth -= 1;
        from.lists -= 1;
        let length = from.byte() % (LENGTH + 1);
        let items = (0..length).map(|_| T::read(from)).collect();
        from.depth += 1;
        items
    }

    fn write(&self, to: &mut Vec<u8>) {
        assert!(self.len() <= usize::from(LENGTH), "a list of a script is too long");
        to.push(self.len() as u8);
        self.iter().for_each(|item| item.write(to));
    }
}

impl<T: Code, const N: usize> Code for [T; N] {
    fn read(from: &mut Reader<'_>) -> Self {
        std::array::from_fn(|_| T::read(from))
    }

    fn write(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|item| item.write(to));
    }
}

/// Defines structs and enums that can be read and written. The first byte of an enum chooses among its variants.
macro_rules! code {
    () => {};
    (
        $(#[$attribute:meta])*
        struct $name:ident { $($(#[$about:meta])* $field:ident: $type:ty,)* }
        $($rest:tt)*
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub(crate) struct $name { $($(#[$about])* pub(crate) $field: $type,)* }

        impl $crate::driver::bytes::Code for $name {
            fn read(from: &mut $crate::driver::bytes::Reader<'_>) -> Self {
                $(let $field = $crate::driver::bytes::Code::read(from);)*
                Self { $($field),* }
            }

            fn write(&self, to: &mut Vec<u8>) {
                $($crate::driver::bytes::Code::write(&self.$field, to);)*
            }
        }

        code! { $($rest)* }
    };
    (
        $(#[$attribute:meta])*
        enum $name:ident { $($(#[$about:meta])* $variant:ident $({ $($field:ident: $type:ty),* })?,)* }
        $($rest:tt)*
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum $name { $($(#[$about])* $variant $({ $($field: $type),* })?,)* }

        impl $crate::driver::bytes::Code for $name {
            fn read(from: &mut $crate::driver::bytes::Reader<'_>) -> Self {
                type Read = fn(&mut $crate::driver::bytes::Reader<'_>) -> $name;
                const VARIANTS: &[Read] = &[$(
                    |_from| $name::$variant $({ $($field: $crate::driver::bytes::Code::read(_from)),* })?,
                )*];
                VARIANTS[usize::from(from.byte()) % VARIANTS.len()](from)
            }

            fn write(&self, to: &mut Vec<u8>) {
                let number = to.len();
                to.push(0);
                $(
                    if let Self::$variant $({ $($field),* })? = self {
                        $($($crate::driver::bytes::Code::write($field, to);)*)?
                        return;
                    }
                    to[number] += 1;
                )*
            }
        }

        code! { $($rest)* }
    };
}
pub(crate) use code;
