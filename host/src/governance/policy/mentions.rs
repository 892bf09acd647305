//! What a rule's answer can depend on beside who asks for what kind of thing. Errs on the side of
//! yes: what is not understood may depend on everything.

use cedar_policy::pst::{
    BinaryOp, Clause, EntityOrSlot, EntityUID, Expr, Literal, ResourceConstraint, Template, Var,
};

/// Facts that answers depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mentions {
    /// The time, so that no answer holds for long.
    pub(super) time: bool,
    /// The object's name, so that objects of a list are judged one by one.
    pub(super) name: bool,
    /// The object's namespace, so that a list of all of them is judged one by one.
    pub(super) namespace: bool,
}

impl Mentions {
    const ALL: Self = Self { time: true, name: true, namespace: true };

    pub(super) fn and(self, other: Self) -> Self {
        Self {
            time: self.time || other.time,
            name: self.name || other.name,
            namespace: self.namespace || other.namespace,
        }
    }
}

/// What one rule mentions.
pub(super) fn of(rule: &Template) -> Mentions {
    let scope = match &rule.resource {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => Mentions::default(),
        ResourceConstraint::Eq(entity)
        | ResourceConstraint::In(entity)
        | ResourceConstraint::IsIn(_, entity) => match entity {
            EntityOrSlot::Entity(entity) => of_entity(entity),
            EntityOrSlot::Slot(_) => Mentions::ALL,
        },
    };
    rule.clauses().iter().fold(scope, |mentions, clause| match clause {
        Clause::When(expr) | Clause::Unless(expr) => mentions.and(of_expr(expr)),
    })
}

/// What it means to be in this, or to be this.
fn of_entity(entity: &EntityUID) -> Mentions {
    match entity.ty.to_string().as_str() {
        "Cluster" => Mentions::default(),
        "Namespace" => Mentions { namespace: true, ..Mentions::default() },
        _ => Mentions { time: false, ..Mentions::ALL },
    }
}

fn is(expr: &Expr, var: &Var) -> bool {
    matches!(expr, Expr::Var(found) if found == var)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the language grows: what is new is everything")]
fn of_expr(expr: &Expr) -> Mentions {
    match expr {
        Expr::Literal(_) | Expr::Var(Var::Principal | Var::Action) => Mentions::default(),
        Expr::GetAttr { expr, attr } if is(expr, &Var::Resource) => of_resource(attr),
        Expr::HasAttr { expr, attrs } if is(expr, &Var::Resource) => of_resource(&attrs.head),
        Expr::GetAttr { expr, attr } if is(expr, &Var::Context) => of_context(attr),
        Expr::HasAttr { expr, attrs } if is(expr, &Var::Context) => of_context(&attrs.head),
        Expr::GetAttr { expr, .. }
        | Expr::HasAttr { expr, .. }
        | Expr::Like { expr, .. }
        | Expr::UnaryOp { expr, .. } => of_expr(expr),
        Expr::BinaryOp { op: BinaryOp::In, left, right } if is(left, &Var::Resource) => {
            of_place(right)
        }
        Expr::BinaryOp { left, right, .. } => of_expr(left).and(of_expr(right)),
        Expr::Is { expr, in_expr, .. } if is(expr, &Var::Resource) => {
            in_expr.as_deref().map(of_place).unwrap_or_default()
        }
        Expr::Is { expr, in_expr, .. } => {
            of_expr(expr).and(in_expr.as_deref().map(of_expr).unwrap_or_default())
        }
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            of_expr(cond).and(of_expr(then_expr)).and(of_expr(else_expr))
        }
        Expr::Set(items) => join(items.iter().map(|item| of_expr(item))),
        Expr::Record(fields) => join(fields.values().map(|field| of_expr(field))),
        // The object or the context as a whole, and what is not known here.
        _ => Mentions::ALL,
    }
}

fn of_resource(attr: &str) -> Mentions {
    Mentions { time: false, name: attr == "name", namespace: attr == "namespace" }
}

fn of_context(attr: &str) -> Mentions {
    Mentions { time: attr == "time" || attr == "weekday", ..Mentions::default() }
}

/// What stands behind `resource in`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the language grows: what is new is everything")]
fn of_place(expr: &Expr) -> Mentions {
    match expr {
        Expr::Literal(Literal::EntityUID(entity)) => of_entity(entity),
        Expr::Set(items) => join(items.iter().map(|item| of_place(item))),
        _ => Mentions::ALL,
    }
}

fn join(found: impl Iterator<Item = Mentions>) -> Mentions {
    found.fold(Mentions::default(), Mentions::and)
}
