/// Days and dates of the Gregorian calendar, without a formatter: one is written with each open of a value, and with each request.
///
/// - Source: H. Hinnant, chrono-Compatible Low-Level Date Algorithms, 2013.
package enum CivilDate {
    private static let daysOf400Years: Int64 = 146_097

    /// - Parameter days: 0 or more.
    package static func of(daysSince1970 days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        // Years that begin in March have their leap day at their end.
        let shifted = days + 719_468
        let era = shifted / daysOf400Years
        let dayOfEra = shifted % daysOf400Years
        let leaps = dayOfEra / 1460 - dayOfEra / 36_524 + dayOfEra / 146_096
        let yearOfEra = (dayOfEra - leaps) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        )
    }

    /// - Parameters: 0 to 9999, 1 to 12, 1 to 31.
    package static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * daysOf400Years + dayOfEra - 719_468
    }
}
