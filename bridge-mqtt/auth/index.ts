/**
 * Enhanced authentication of MQTT 5 (AUTH), by SCRAM-SHA-256. A connection makes an `Authentication` when a CONNECT
 * names an authentication method, and does what its steps say:
 *
 *     CONNECT  ─▶ begin(packet) ─▶ continue: AUTH 0x18 {method, data}
 *     AUTH     ─▶ continue(packet) ─▶ done: judges the identity as after a password; CONNACK 0 {method, data}
 *     AUTH 0x19 in a session ─▶ continue(packet) ─▶ … ─▶ done: AUTH 0x00 {method, data}
 *     any      ─▶ refused: CONNACK, or DISCONNECT in a session, with the reason code, and closes
 *
 * AUTH on a connection whose CONNECT has named no method is for the connection to refuse [MQTT-4.12.0-7].
 */
export { Authentication, SCRAM_METHOD, type Step } from './authentication.ts'
