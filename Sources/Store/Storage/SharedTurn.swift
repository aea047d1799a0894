import Dispatch
import Synchronization

/// Lets threads that want the same slow thing at the same moment (an fsync, an answer from another process) have it
/// done once: one of them carries out what all of them ask for, the others wait for that. Who comes alone waits for
/// nobody.
package final class SharedTurn<Request: Sendable, Answer: Sendable>: Sendable {
    private final class Seat: Sendable {
        let request: Request
        let answer = Mutex<Answer?>(nil)
        /// Signalled with an answer, or without one: then it is this one's turn.
        let called = DispatchSemaphore(value: 0)

        init(_ request: Request) { self.request = request }
    }
    private struct State {
        var waiting: [Seat] = []
        var isTaken = false
    }
    /// One turn answers so many at most, so that nobody waits for the work of a crowd.
    private let maximum: Int
    private let state = Mutex(State())

    package init(atMost maximum: Int) { self.maximum = maximum }

    /// - Parameter carryOut: called on the thread of one who asks, never twice at once; one answer for each request, in
    ///   their order.
    package func take(_ request: Request, _ carryOut: ([Request]) -> [Answer]) -> Answer {
        let seat = Seat(request)
        let waits = state.withLock { state in
            defer { state.isTaken = true }
            state.waiting.append(seat)
            return state.isTaken
        }
        if waits {
            seat.called.wait()
            if let answer = seat.answer.withLock({ $0 }) { return answer }
        }
        return lead(seat, carryOut)
    }

    /// - Precondition: `seat` is the first that waits.
    private func lead(_ seat: Seat, _ carryOut: ([Request]) -> [Answer]) -> Answer {
        let seats = state.withLock { state in
            let taken = Array(state.waiting.prefix(maximum))
            state.waiting.removeFirst(taken.count)
            return taken
        }
        let answers = carryOut(seats.map(\.request))
        precondition(answers.count == seats.count, "an answer is missing")
        for (other, answer) in zip(seats, answers) where other !== seat {
            other.answer.withLock { $0 = answer }
            other.called.signal()
        }
        // The next turn is another's: who came first must not work for all who come later.
        let next = state.withLock { state in
            if state.waiting.isEmpty { state.isTaken = false }
            return state.waiting.first
        }
        next?.called.signal()
        return answers[0]
    }
}
