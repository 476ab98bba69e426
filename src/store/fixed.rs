//! Statements whose text never changes. diesel prepares such a one once for each connection; what is given to `sql_query` it
//! prepares anew every time, which costs a round trip and a plan.

/// Makes a statement for one database out of pieces of SQL and the values between them.
macro_rules! fixed {
    (
        $(#[$doc:meta])*
        $name:ident<$life:lifetime> on $backend:ty as $connection:ty, gives $output:ty {
            $($sql:literal $field:ident: $sql_type:ty = $value:ty,)*
            ; $end:expr
        }
    ) => {
        $(#[$doc])*
        struct $name<$life> {
            $($field: $value,)*
            nothing: std::marker::PhantomData<&$life ()>,
        }

        impl diesel::query_builder::QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl<$life> diesel::query_builder::QueryFragment<$backend> for $name<$life> {
            fn walk_ast<'b>(
                &'b self,
                mut out: diesel::query_builder::AstPass<'_, 'b, $backend>,
            ) -> diesel::QueryResult<()> {
                $(
                    out.push_sql($sql);
                    out.push_bind_param::<$sql_type, $value>(&self.$field)?;
                )*
                out.push_sql($end);
                Ok(())
            }
        }

        impl diesel::query_builder::Query for $name<'_> {
            type SqlType = $output;
        }

        impl diesel::RunQueryDsl<$connection> for $name<'_> {}
    };
}

pub(super) use fixed;
