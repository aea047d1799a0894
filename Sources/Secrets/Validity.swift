/// From when until when a secret is visible; without limits, always.
package struct Validity: Hashable, Sendable {
    /// The first moment.
    package let notBefore: Timestamp?
    /// The first moment after it.
    package let expires: Timestamp?

    package static let always = Validity(notBefore: nil, expires: nil)

    package init(notBefore: Timestamp?, expires: Timestamp?) {
        self.notBefore = notBefore
        self.expires = expires
    }

    package func contains(_ moment: Timestamp) -> Bool {
        (notBefore.map { $0 <= moment } ?? true) && (expires.map { moment < $0 } ?? true)
    }

    /// The moments at which `contains` changes its answer, in order.
    package var limits: [Timestamp] { [notBefore, expires].compactMap { $0 }.sorted() }
}
