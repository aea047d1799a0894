package import Secrets
package import Store

/// What the agent, or a command, has the program do that speaks to providers (docs/FORMAT.md#provider-pipe).
package enum ProviderCall: Sendable {
    /// From now on this number stands for a provider with this configuration.
    case configure(UInt32, ProviderKind, ProviderConfiguration)
    case forget(UInt32)
    case read(ProviderQuestion, at: UInt32)
    case test(UInt64, at: UInt32, ProviderReference?)
    /// Nobody waits for the answer any more.
    case cancel(UInt64)
    case write(UInt64, at: UInt32, ProviderTarget, SecretValue)
    case delete(UInt64, at: UInt32, ProviderReference)
    /// Uses what can be used once.
    case exchange(UInt64, ProviderKind, ProviderConfiguration)
}

/// What is written.
package enum ProviderTarget: Sendable {
    /// A new secret, where there is none.
    case new(EnvironmentName, SecretHome)
    /// Whatever is there.
    case present(ProviderReference)
}

/// What that program answers.
package enum ProviderReply: Sendable {
    case answer(UInt64, ProviderAnswer<SecretValue>)
    /// What a test found, a line each.
    case tested(UInt64, [String])
    case written(UInt64, ProviderReference)
    case deleted(UInt64)
    case exchanged(UInt64, ProviderConfiguration)
}

extension ProviderCall {
    package func encoded() throws -> SecretBuffer {
        let frame = FrameWriter()
        switch self {
        case .configure(let number, let kind, let configuration):
            try frame.begin(1)
            try frame.number(number)
            try frame.text(kind.rawValue)
            try frame.configuration(configuration)
        case .forget(let number):
            try frame.begin(2)
            try frame.number(number)
        case .read(let question, let number):
            try frame.begin(3)
            try frame.number(question.id)
            try frame.number(number)
            try frame.text(question.provider.text)
            try frame.text(question.reference.description)
            try frame.text(question.version?.text ?? "")
            try frame.text(question.known?.text ?? "")
        case .test(let id, let number, let reference):
            try frame.begin(4)
            try frame.number(id)
            try frame.number(number)
            try frame.text(reference?.description ?? "")
        case .cancel(let id):
            try frame.begin(5)
            try frame.number(id)
        case .write(let id, let number, let target, let value):
            try frame.begin(6)
            try frame.number(id)
            try frame.number(number)
            switch target {
            case .new(let name, let home):
                try frame.text(name.text)
                try frame.text(home.description)
            case .present(let reference):
                try frame.text("")
                try frame.text(reference.description)
            }
            try frame.value(value)
        case .delete(let id, let number, let reference):
            try frame.begin(7)
            try frame.number(id)
            try frame.number(number)
            try frame.text(reference.description)
        case .exchange(let id, let kind, let configuration):
            try frame.begin(8)
            try frame.number(id)
            try frame.text(kind.rawValue)
            try frame.configuration(configuration)
        }
        return try frame.finished()
    }

    /// - Parameter frame: without its length.
    package init(decoding frame: SecretValue) throws {
        var reader = FrameReader(frame)
        switch try reader.number(UInt8.self) {
        case 1:
            let number = try reader.number(UInt32.self)
            self = .configure(number, try reader.kind(), try reader.configuration())
        case 2: self = .forget(try reader.number(UInt32.self))
        case 3:
            let id = try reader.number(UInt64.self)
            let number = try reader.number(UInt32.self)
            let question = ProviderQuestion(
                id: id, provider: try ProviderName(reader.text()),
                reference: try ProviderReference(reader.text()), version: try reader.version(),
                known: try reader.version())
            self = .read(question, at: number)
        case 4:
            let (id, number) = (try reader.number(UInt64.self), try reader.number(UInt32.self))
            let text = try reader.text()
            self = .test(id, at: number, text.isEmpty ? nil : try ProviderReference(text))
        case 5: self = .cancel(try reader.number(UInt64.self))
        case 6:
            let (id, number) = (try reader.number(UInt64.self), try reader.number(UInt32.self))
            let (name, place) = (try reader.text(), try reader.text())
            let target: ProviderTarget =
                name.isEmpty
                ? .present(try ProviderReference(place))
                : .new(try EnvironmentName(name), try SecretHome(place))
            self = .write(id, at: number, target, try reader.value())
        case 7:
            let (id, number) = (try reader.number(UInt64.self), try reader.number(UInt32.self))
            self = .delete(id, at: number, try ProviderReference(reader.text()))
        case 8:
            let id = try reader.number(UInt64.self)
            self = .exchange(id, try reader.kind(), try reader.configuration())
        default: throw FrameError()
        }
        try reader.finish()
    }
}

extension ProviderReply {
    package func encoded() throws -> SecretBuffer {
        let frame = FrameWriter()
        switch self {
        case .answer(let id, .unchanged(let timeToLive)):
            try frame.begin(0x41)
            try frame.number(id)
            try frame.number(timeToLive ?? .max)
        case .answer(let id, .value(let value, let facts)):
            try frame.begin(0x42)
            try frame.number(id)
            try frame.text(facts.version.text)
            try frame.number(facts.timeToLive ?? .max)
            try frame.number(facts.expires?.seconds ?? .max)
            try frame.value(value)
        case .answer(let id, .failure(let failure)):
            try frame.begin(0x43)
            try frame.number(id)
            try frame.number(failure.kind.rawValue)
            try frame.number(failure.retryAfter ?? .max)
            try frame.text(failure.message)
        case .tested(let id, let lines):
            try frame.begin(0x44)
            try frame.number(id)
            try frame.text(lines.joined(separator: "\n"))
        case .written(let id, let reference):
            try frame.begin(0x45)
            try frame.number(id)
            try frame.text(reference.description)
        case .deleted(let id):
            try frame.begin(0x46)
            try frame.number(id)
        case .exchanged(let id, let configuration):
            try frame.begin(0x47)
            try frame.number(id)
            try frame.configuration(configuration)
        }
        return try frame.finished()
    }

    /// - Parameter frame: without its length; from a process that speaks to a network: hostile.
    package init(decoding frame: SecretValue) throws {
        var reader = FrameReader(frame)
        let kind = try reader.number(UInt8.self)
        let id = try reader.number(UInt64.self)
        switch kind {
        case 0x41: self = .answer(id, .unchanged(timeToLive: try reader.seconds()))
        case 0x42:
            guard let version = try reader.version() else { throw FrameError() }
            let timeToLive = try reader.seconds()
            let end = try reader.number(Int64.self)
            let value = try reader.value()
            let facts = ProviderFacts(
                version: version, count: value.count, timeToLive: timeToLive,
                expires: end == .max ? nil : Timestamp(seconds: end, nanoseconds: 0))
            self = .answer(id, .value(value, facts))
        case 0x43:
            guard let kind = ProviderFailure.Kind(rawValue: try reader.number(UInt8.self)) else {
                throw FrameError()
            }
            let retryAfter = try reader.seconds()
            self = .answer(id, .failure(ProviderFailure(kind, try reader.text(), retryAfter: retryAfter)))
        case 0x44: self = .tested(id, try reader.text().split(separator: "\n").map(String.init))
        case 0x45: self = .written(id, try ProviderReference(reader.text()))
        case 0x46: self = .deleted(id)
        case 0x47: self = .exchanged(id, try reader.configuration())
        default: throw FrameError()
        }
        try reader.finish()
    }
}

extension FrameWriter {
    fileprivate func configuration(_ configuration: ProviderConfiguration) throws {
        try number(UInt32(configuration.values.count))
        for (name, value) in configuration.values {
            try text(name)
            try self.value(value)
        }
    }
}

extension FrameReader {
    fileprivate mutating func kind() throws -> ProviderKind {
        guard let kind = ProviderKind(rawValue: try text()) else { throw FrameError() }
        return kind
    }

    fileprivate mutating func configuration() throws -> ProviderConfiguration {
        var configuration = ProviderConfiguration()
        for _ in 0..<(try number(UInt32.self)) {
            let name = try text()
            configuration[name] = try value()
        }
        return configuration
    }

    fileprivate mutating func seconds() throws -> UInt32? {
        let seconds = try number(UInt32.self)
        return seconds == .max ? nil : seconds
    }

    /// Nil for none.
    fileprivate mutating func version() throws -> ProviderVersion? {
        let text = try text()
        guard !text.isEmpty else { return nil }
        guard let version = ProviderVersion(text) else { throw FrameError() }
        return version
    }
}
