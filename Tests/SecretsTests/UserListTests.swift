import Secrets
import Testing

@Suite struct `A list of users` {
    /// Who asks, who is listed, who the agent is, and what comes of it.
    private static let table: [(uid: UInt32, listed: [UInt32], agent: UInt32, isAllowed: Bool)] = [
        (0, [], 0, true), (0, [], 900, true), (900, [], 900, true), (900, [], 0, false),
        (1000, [], 0, false), (1000, [1000], 0, true), (1001, [1000], 0, false),
        (1000, [999, 1001], 0, false),
        (.max, [.max], 0, false), (.max, [], .max, false), (65534, [65534], 0, true),
    ]

    @Test(arguments: table)
    func `allows root, the agent and whom it names, and nobody else`(
        _ row: (uid: UInt32, listed: [UInt32], agent: UInt32, isAllowed: Bool)
    ) {
        #expect(
            UserList(row.listed).allows(row.uid, agent: row.agent, stranger: nil) == row.isAllowed, "\(row)")
    }

    @Test func `never allows the number that stands for users without one`() {
        #expect(!UserList([65534]).allows(65534, agent: 65534, stranger: 65534))
        #expect(UserList([65533]).allows(65533, agent: 0, stranger: 65534))
    }

    @Test func `is in order, and changes by adding first`() {
        var list = UserList([9, 3, 3, .max, 0])
        #expect(list.uids == [0, 3, 9])
        list.change(adding: [5, 3], removing: [9, 7, 5])
        #expect(list.uids == [0, 3])
        #expect(list.contains(3) && !list.contains(9))
    }
}
