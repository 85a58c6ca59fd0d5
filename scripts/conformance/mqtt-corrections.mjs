/**
 * Where the suites want what the specification does not allow or advises against, or what mosquitto has given up
 * itself, and what is put in its place before they run.
 * Nothing else of them is changed; `--as-written` leaves these as they are too. Numbers are those of MQTT 5's
 * sections and statements; (*) marks what mosquitto's own suite has wanted in this place since 2.0.12.
 */

/** A protocol error: what is not allowed, or out of order (1.2); a packet that cannot be parsed is malformed. */
const PROTOCOL_ERROR = 'mqtt5_rc.MQTT_RC_PROTOCOL_ERROR'
const MALFORMED = 'mqtt5_rc.MQTT_RC_MALFORMED_PACKET'

/** What a client is sent before its connection is closed: in MQTT 5 the reason, and before it nothing. */
function told(code) {
  return `(mosq_test.gen_disconnect(reason_code=${code}, proto_ver=5) if proto_ver == 5 else b"")`
}

/**
 * An acknowledgement of the wrong kind ends the connection, and after an error in any packet but CONNECT a server
 * SHOULD say why by a DISCONNECT before it closes (4.13.1) (*). The test wants the end without it.
 */
const WRONG_ACK = [
  {
    from: 'p = sock.recv(len(pingresp_packet))\n        if len(p) == 0:',
    to: `p = sock.recv(len(pingresp_packet) + 1)\n        if p == ${told(PROTOCOL_ERROR)}:`,
  },
]

/** The case with this name is what the specification calls a protocol error, in so many words. */
function protocolError(name) {
  return { from: `${MALFORMED}, "${name}"`, to: `${PROTOCOL_ERROR}, "${name}"` }
}

/** Only the suite of before 2.0.12 has these: 4.13.1, as above. */
const WITHOUT_A_WORD = {
  '01-connect-duplicate.py': [
    {
      from: 'data = sock.recv(1)\n        if len(data) == 0:',
      to: `data = sock.recv(3)\n        if data == ${told(PROTOCOL_ERROR)}:`,
    },
  ],
  // Its flags are reserved ones, so it is malformed before it is of the wrong direction [MQTT-2.1.3-1].
  '01-connect-connack-2163.py': [
    {
      from: 'pingreq_packet, b"", "pingreq")',
      to: `pingreq_packet, ${told(MALFORMED)}, "pingreq")`,
    },
  ],
  '02-subpub-qos1-bad-pubcomp.py': WRONG_ACK,
  '02-subpub-qos1-bad-pubrec.py': WRONG_ACK,
  '02-subpub-qos2-bad-puback-1.py': WRONG_ACK,
  '02-subpub-qos2-bad-puback-2.py': WRONG_ACK,
  '02-subpub-qos2-bad-pubcomp.py': WRONG_ACK,

  // 3.3.2.3.2: the payload format is 0 or 1 (*).
  '12-prop-subpub-payload-format.py': [{ from: '0xed', to: '0x01' }],
}

/** A topic that is well-formed, and not taken for its length: 3.14.2.1 has 0x90 for that, and it breaks no rule. */
function longTopic(code) {
  return { '03-publish-long-topic.py': [{ from: code, to: 'mqtt5_rc.MQTT_RC_TOPIC_NAME_INVALID' }] }
}

const ALL = {
  // [MQTT-3.1.2-8]: a will is published when its delay is over or the session ends, whichever comes first
  // (3.1.3.2.2). These sessions end with the connection, before anybody can be back: they get an expiry.
  '07-will-delay.py': [
    { from: 'clean_session=clean_session)', to: 'clean_session=clean_session, session_expiry=60)' },
  ],
  '07-will-delay-reconnect.py': [
    { from: 'clean_session=False)', to: 'clean_session=False, session_expiry=60)' },
  ],

  // [MQTT-3.1.2-8] of both versions: the connection of who is taken over was closed without his DISCONNECT, and
  // there was no delay to wait for (the comment in 3.1.4 says so of this very case).
  '07-will-takeover.py': [
    { from: 'if clean_session1 == True or clean_session2 == True:', to: 'if True:' },
  ],

  // [MQTT-3.1.2-24]: no packet above Maximum Packet Size is sent; these have 21 bytes, where it is 20.
  '12-prop-maximum-packet-size-publish-qos1.py': [{ from: '"7890"', to: '"890"' }],
  '12-prop-maximum-packet-size-publish-qos2.py': [{ from: '"7890"', to: '"890"' }],

  // "It is a Protocol Error" of 3.8.3.1 (maximum QoS 3, retain handling 3), [MQTT-3.8.3-2] (no payload) and
  // 3.8.2.1.2 (subscription identifier 0).
  '13-malformed-subscribe-v5.py': [
    protocolError('qos > 2'),
    protocolError('retain handling = 0x30'),
    protocolError('Truncated packet, with properties field'),
    protocolError('Subscription ID set to 0'),
  ],
}

/** Only the suite of since 2.0.12 has these. */
const NEWER = {
  // [MQTT-4.3.3-10], 3.1.1 [MQTT-4.3.3-2]: until PUBREL each PUBLISH with its identifier is answered by a PUBREC; here
  // the third is to end the connection.
  '03-publish-qos2-dup.py': [
    {
      from: 'publish_packet, disconnect_packet, "disconnect")',
      to: 'publish_packet, pubrec_packet, "pubrec 3")',
    },
    {
      from: 'publish_packet, b"", "disconnect1")',
      to: 'publish_packet, pubrec_packet, "pubrec 3")',
    },
  ],
  // [MQTT-4.6.0-6] orders the messages of a topic. In which order those of several topics come that were retained is
  // the server's choice: there as the levels are, here as they were published.
  '04-retain-clear-multiple.py': [
    {
      from: 'expect_packet(sock, "retain3", retain3_packet)\n        mosq_test.expect_packet(sock, "retain2", retain2_packet)\n        mosq_test.expect_packet(sock, "retain1", retain1_packet)',
      to: 'expect_packet(sock, "retain1", retain1_packet)\n        mosq_test.expect_packet(sock, "retain2", retain2_packet)\n        mosq_test.expect_packet(sock, "retain3", retain3_packet)',
    },
    {
      from: 'expect_packet(sock, "retain3", retain3_packet)\n        mosq_test.expect_packet(sock, "retain1", retain1_packet)',
      to: 'expect_packet(sock, "retain1", retain1_packet)\n        mosq_test.expect_packet(sock, "retain3", retain3_packet)',
    },
  ],
  // 4.7.2: a server may use topics that begin with $ for itself. Below $CONTROL is mosquitto's own interface, and here
  // a topic as any other; $SYS is the server's.
  '07-will-control.py': [
    {
      from: 'd = sock.recv(1)\n        if d == b"":',
      to: 'd = sock.recv(1)\n        if d == b"\\x20":',
    },
  ],
}

/** By file, what is replaced in it; of mosquitto's, of which the suite changed with 2.0.12. */
export const CORRECTIONS = {
  before2012: { ...ALL, ...WITHOUT_A_WORD, ...longTopic(PROTOCOL_ERROR) },
  since2012: { ...ALL, ...NEWER, ...longTopic(MALFORMED) },
}
