//! The rights that the application needs in a portal, and which of them it was not given.

/// What works only with the right, and the rights that do for it: the first is the least.
const NEEDED: [&[&str]; 10] = [
    &["crm"],
    &["imopenlines"],
    &["imconnector"],
    &["im"],
    &["contact_center"],
    &["placement"],
    &["bizproc"],
    &["messageservice"],
    &["disk"],
    &["user_brief", "user_basic", "user"],
];

/// The rights that are missing among those that were granted, in a fixed order.
#[must_use]
pub fn missing(granted: &[String]) -> Vec<&'static str> {
    let has = |ways: &[&str]| ways.iter().any(|way| granted.iter().any(|scope| scope == way));
    NEEDED.iter().filter(|ways| !has(ways)).filter_map(|ways| ways.first().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_right_does_for_a_narrow_one() {
        let all = "crm,imopenlines,imconnector,im,contact_center,placement,bizproc,messageservice,disk";
        let granted = |more: &str| all.split(',').chain(more.split(',')).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(missing(&granted("user")), Vec::<&str>::new());
        assert_eq!(missing(&granted("user_brief,telephony")), Vec::<&str>::new());
        assert_eq!(missing(&granted("")), ["user_brief"]);
        assert_eq!(missing(&["user".to_owned()]).len(), 9);
    }
}
