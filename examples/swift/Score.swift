// Score a recording, on iOS 15 and macOS 12 or later; no library is needed.

import Foundation

/// How close a recording comes to a clip; each score from 0 to 1.
public struct Score: Decodable, Sendable {
    public let model: String
    public let simScore: Double
    public let audioSimScore: Double
    public let textSimScore: Double
}

/// What the server said is wrong: `code` is for programs, `detail` for people.
public struct AudioScoreError: Error, Decodable, Sendable {
    public let code: String
    public let detail: String
}

/// Scores recordings with the server at an address, such as `https://scores.example`.
public struct AudioScore: Sendable {
    private static let again = [429, 503]
    private static let tries = 5

    let server: URL
    let key: String?

    public init(server: URL, key: String? = nil) {
        self.server = server
        self.key = key
    }

    /// How close a recording comes to a clip. A busy server is asked again, until the time is up.
    public func score(_ recording: Data, uid: String, cid: String, within seconds: TimeInterval = 60) async throws -> Score {
        let end = Date(timeIntervalSinceNow: seconds)
        var tried = 1
        while true {
            let request = request(fields: ["uid": uid, "cid": cid], recording: recording, left: max(0.001, end.timeIntervalSinceNow))
            let (data, response) = try await URLSession.shared.data(for: request)
            guard let answer = response as? HTTPURLResponse else { throw URLError(.badServerResponse) }
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            if answer.statusCode == 200 {
                return try decoder.decode(Score.self, from: data)
            }
            let asked = answer.value(forHTTPHeaderField: "Retry-After").flatMap(Double.init)
            let wait = (asked ?? 0.25 * pow(2, Double(tried))) * Double.random(in: 1...1.25)
            if !Self.again.contains(answer.statusCode) || tried == Self.tries || Date(timeIntervalSinceNow: wait) >= end {
                throw try decoder.decode(AudioScoreError.self, from: data)
            }
            try await Task.sleep(nanoseconds: UInt64(wait * 1_000_000_000))
            tried += 1
        }
    }

    private func request(fields: [String: String], recording: Data, left: TimeInterval) -> URLRequest {
        let boundary = UUID().uuidString
        var body = Data()
        for (name, value) in fields {
            body.append(Data("--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n\(value)\r\n".utf8))
        }
        body.append(Data("--\(boundary)\r\nContent-Disposition: form-data; name=\"audio\"; filename=\"recording\"\r\n\r\n".utf8))
        body.append(recording)
        body.append(Data("\r\n--\(boundary)--\r\n".utf8))
        var request = URLRequest(url: server.appendingPathComponent("score"), timeoutInterval: left)
        request.httpMethod = "POST"
        request.httpBody = body
        request.setValue("multipart/form-data; boundary=\(boundary)", forHTTPHeaderField: "Content-Type")
        request.setValue(String(Int(max(1, left * 1000))), forHTTPHeaderField: "X-Request-Timeout-Ms")
        if let key {
            request.setValue("Bearer \(key)", forHTTPHeaderField: "Authorization")
        }
        return request
    }
}
