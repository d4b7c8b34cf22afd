// Score a recording, on Android (off the main thread) or any JVM; no library is needed.

import java.io.File
import java.io.IOException
import java.net.HttpURLConnection
import java.net.URL
import java.util.UUID
import kotlin.random.Random

/** What the server said is wrong: `code` is for programs, the message for people. */
class AudioScoreException(val status: Int, val code: String, message: String) : IOException(message)

/** Scores recordings with the server at an address, such as `https://scores.example`. */
class AudioScore(private val server: String, private val key: String? = null) {
    /**
     * How close a recording comes to a clip: the JSON of `POST /score`.
     *
     * A busy server is asked again, until the time is up. Android: `org.json.JSONObject` reads the answer.
     */
    fun score(recording: File, uid: String, cid: String, timeoutMs: Int = 60_000): String {
        val end = System.currentTimeMillis() + timeoutMs
        var tried = 1
        while (true) {
            val left = maxOf(1, end - System.currentTimeMillis()).toInt()
            val connection = send(recording, mapOf("uid" to uid, "cid" to cid), left)
            try {
                val status = connection.responseCode
                if (status == 200) return connection.inputStream.use { it.readBytes().decodeToString() }
                val asked = connection.getHeaderField("Retry-After")?.toDoubleOrNull() ?: (0.25 * (1 shl tried))
                val waitMs = (1000 * asked * (1 + 0.25 * Random.nextDouble())).toLong()
                if (status !in AGAIN || tried == TRIES || System.currentTimeMillis() + waitMs >= end) {
                    throw failure(connection, status)
                }
                Thread.sleep(waitMs)
            } finally {
                connection.disconnect()
            }
            tried++
        }
    }

    private fun send(recording: File, fields: Map<String, String>, timeoutMs: Int): HttpURLConnection {
        val boundary = UUID.randomUUID().toString()
        val head = fields.map { (name, value) -> part(boundary, name) + "\r\n\r\n$value\r\n" }.joinToString("") +
            part(boundary, "audio") + "; filename=\"recording\"\r\n\r\n"
        val tail = "\r\n--$boundary--\r\n"
        val connection = URL("$server/score").openConnection() as HttpURLConnection
        connection.requestMethod = "POST"
        connection.connectTimeout = timeoutMs
        connection.readTimeout = timeoutMs
        connection.doOutput = true
        connection.setRequestProperty("Content-Type", "multipart/form-data; boundary=$boundary")
        connection.setRequestProperty("X-Request-Timeout-Ms", timeoutMs.toString())
        key?.let { connection.setRequestProperty("Authorization", "Bearer $it") }
        connection.setFixedLengthStreamingMode(head.toByteArray().size + recording.length() + tail.length)
        connection.outputStream.use { out ->
            out.write(head.toByteArray())
            recording.inputStream().use { it.copyTo(out) }
            out.write(tail.toByteArray())
        }
        return connection
    }

    private fun part(boundary: String, name: String) =
        "--$boundary\r\nContent-Disposition: form-data; name=\"$name\""

    private fun failure(connection: HttpURLConnection, status: Int): AudioScoreException {
        val body = connection.errorStream?.use { it.readBytes().decodeToString() } ?: ""
        val code = Regex("\"code\":\\s*\"(\\w+)\"").find(body)?.groupValues?.get(1) ?: ""
        return AudioScoreException(status, code, body)
    }

    private companion object {
        val AGAIN = setOf(429, 503)
        const val TRIES = 5
    }
}

fun main(arguments: Array<String>) {
    val scores = AudioScore(System.getenv("AUDIO_SCORE_SERVER") ?: "http://localhost:9000", System.getenv("AUDIO_SCORE_API_KEY"))
    println(scores.score(File(arguments[0]), "RiverTales-s01e01", "part01"))
}
