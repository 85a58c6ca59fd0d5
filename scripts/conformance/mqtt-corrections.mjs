/**
 * Where the suites want what the specification does not say, or forbids, and what is put in its place before they
 * run. Nothing else of them is changed; `--as-written` leaves these as they are too. Numbers are those of
 * MQTT 5's sections and statements.
 *
 * mosquitto 2.0.11 closes a connection after some violations without a word, where the specification wants a
 * DISCONNECT that says why; its own suite has wanted that since 2.0.12 in the places marked with (*).
 */

const MALFORMED = 'MQTT_RC_MALFORMED_PACKET'
const PROTOCOL_ERROR = 'MQTT_RC_PROTOCOL_ERROR'

const ENDED = ' == 0:'
const ENDED_OR_TOLD = ' == 0 or p[0:1] == b"\\xe0":'
/** The end of the connection is what is asked for, and MQTT 5 has a packet that says so [MQTT-4.13.1-1] (*). */
const TOLD_BEFORE = [{ from: `if len(p)${ENDED}`, to: `if len(p)${ENDED_OR_TOLD}` }]

/** [MQTT-3.1.4-1], 3.1.4: a server may say in a CONNACK of MQTT 5 what is wrong with a CONNECT before it closes. */
const CONNACK_ALLOWED = [
  {
    from: 'do_client_connect(connect_packet, b"",',
    to: 'do_client_connect(connect_packet, b"\\x20" if proto_ver == 5 else b"",',
  },
]

/** The case with this name is a protocol error, not a malformed packet. */
function protocolError(name) {
  return { from: `${MALFORMED}, "${name}"`, to: `${PROTOCOL_ERROR}, "${name}"` }
}

/** What a client publishes at QoS 2 and is subscribed to comes before PUBCOMP, beside PUBREC or behind it. */
function deliveredFirst(sent, pubrec, received, pubcomp) {
  return [
    {
      from: `mosq_test.do_send_receive(sock, ${sent}, ${pubrec},`,
      to: `sock.send(${sent}); mosq_test.receive_unordered(sock, ${pubrec}, ${received},`,
    },
    {
      from: `mosq_test.receive_unordered(sock, ${pubcomp}, ${received},`,
      to: `mosq_test.do_send_receive(sock, b"", ${pubcomp},`,
    },
  ]
}

const MOSQUITTO = {
  // A packet of the wrong direction is answered like any other protocol error (*).
  '01-connect-connack-2163.py': [
    {
      from: 'pingreq_packet, b"", "pingreq")',
      to: 'pingreq_packet, b"\\xe0" if proto_ver == 5 else b"", "pingreq")',
    },
  ],
  '01-connect-invalid-id-utf8.py': CONNACK_ALLOWED,
  '01-connect-uname-invalid-utf8.py': CONNACK_ALLOWED,
  '01-connect-uname-no-flag.py': CONNACK_ALLOWED,
  '01-connect-uname-pwd-no-flag.py': CONNACK_ALLOWED,
  '07-will-invalid-utf8.py': CONNACK_ALLOWED,
  '07-will-no-flag.py': CONNACK_ALLOWED,
  '07-will-null-topic.py': CONNACK_ALLOWED,
  '01-connect-duplicate.py': [
    { from: `if len(data)${ENDED}`, to: 'if len(data) == 0 or data == b"\\xe0":' },
  ],
  '02-subpub-qos1-bad-pubcomp.py': TOLD_BEFORE,
  '02-subpub-qos1-bad-pubrec.py': TOLD_BEFORE,
  '02-subpub-qos2-bad-puback-1.py': TOLD_BEFORE,
  '02-subpub-qos2-bad-puback-2.py': TOLD_BEFORE,
  '02-subpub-qos2-bad-pubcomp.py': TOLD_BEFORE,

  // Table 3.4.2.1: 0x10, no matching subscribers, is a server's answer only; here a client sends it.
  '02-subpub-qos1-message-expiry-retain.py': [
    { from: 'sock.send(puback1_packet)', to: 'sock.send(mosq_test.gen_puback(1))' },
    { from: 'sock.send(puback2s_packet)', to: 'sock.send(mosq_test.gen_puback(2))' },
    { from: 'sock.send(puback2r_packet)', to: 'sock.send(mosq_test.gen_puback(1))' },
  ],

  // 4.3.3: a receiver may begin to deliver before it answers, and one that stores first answers later than that.
  '02-subpub-qos2.py': deliveredFirst(
    'publish_packet',
    'pubrec_packet',
    'publish_packet2',
    'pubcomp_packet',
  ),

  // A topic that is well-formed and not accepted: 3.3.2.1 has 0x90 for it.
  '03-publish-long-topic.py': [{ from: PROTOCOL_ERROR, to: 'MQTT_RC_TOPIC_NAME_INVALID' }],

  // 3.1.2.5, 3.1.3.2.2: a will waits for its delay or the end of the session, whichever comes first, and these
  // sessions end with the connection, or with the clean start of the next: they get an expiry, or no clean start.
  '07-will-delay.py': [
    { from: 'clean_session=clean_session)', to: 'clean_session=clean_session, session_expiry=60)' },
  ],
  '07-will-delay-reconnect.py': [
    { from: 'clean_session=False)', to: 'clean_session=False, session_expiry=60)' },
    { from: 'proto_ver=5, clean_session=True)', to: 'proto_ver=5, clean_session=False)' },
    {
      from: 'connack2b_packet = mosq_test.gen_connack(rc=0,',
      to: 'connack2b_packet = mosq_test.gen_connack(flags=1, rc=0,',
    },
  ],
  '07-will-delay-recover.py': [{ from: 'do_test(clean_session=True)\n', to: '' }],

  // [MQTT-3.1.2-8] of 3.1.1, 3.1.4 of MQTT 5: who is taken over was closed without DISCONNECT: its will is sent.
  '07-will-takeover.py': [
    { from: 'if clean_session1 == True or clean_session2 == True:', to: 'if True:' },
  ],

  // Only user properties keep an order, among themselves [MQTT-3.3.2-18].
  '07-will-properties.py': [
    {
      from: '\ndo_test(will_props, recv_props)',
      to: `
recv_props = mqtt5_props.gen_string_prop(mqtt5_props.PROP_RESPONSE_TOPIC, "response/topic")
recv_props += mqtt5_props.gen_byte_prop(mqtt5_props.PROP_PAYLOAD_FORMAT_INDICATOR, 1)
recv_props += mqtt5_props.gen_string_prop(mqtt5_props.PROP_CONTENT_TYPE, "application/test")
recv_props += mqtt5_props.gen_string_prop(mqtt5_props.PROP_CORRELATION_DATA, "data")
for key, value in (("key1", "value1"), ("key2", "value2")):
    recv_props += mqtt5_props.gen_string_pair_prop(mqtt5_props.PROP_USER_PROPERTY, key, value)
do_test(will_props, recv_props)`,
    },
  ],

  // [MQTT-3.1.2-24]: Maximum Packet Size counts the whole packet; these have one byte more than it.
  '12-prop-maximum-packet-size-publish-qos1.py': [{ from: '"7890"', to: '"890"' }],
  '12-prop-maximum-packet-size-publish-qos2.py': [
    { from: '"7890"', to: '"890"' },
    ...deliveredFirst('publish2_packet', 'pubrec2_packet', 'publish2_packet', 'pubcomp2_packet'),
  ],

  // 3.3.2.3.2: payload format 0xed is none (*).
  '12-prop-subpub-payload-format.py': [{ from: '0xed', to: '0x01' }],

  // 3.8.3.1, [MQTT-3.8.3-2], 3.8.2.1.2 call these a protocol error. Of a packet identifier of 0
  // [MQTT-2.2.1-3] and an empty filter [MQTT-4.7.3-1] no code is said; as the former it is one to mosquitto in a PUBLISH.
  '13-malformed-unsubscribe-v5.py': [
    protocolError('mid == 0'),
    protocolError('Truncated packet, with properties field, empty topic'),
  ],
  '13-malformed-subscribe-v5.py': [
    protocolError('mid == 0'),
    protocolError('Truncated packet, with properties field, empty topic'),
    protocolError('Truncated packet, with properties field, empty topic, with qos'),
    // The first of its filters is empty too.
    protocolError(
      'Truncated packet, with properties field, with 1st topic and qos ok, second topic ok, no second qos',
    ),
    protocolError('qos > 2'),
    protocolError('retain handling = 0x30'),
    protocolError('Truncated packet, with properties field'),
    protocolError('Subscription ID set to 0'),
  ],
}

const PAHO = {
  // Table 3.9.3: 0x87, not authorized, is one of SUBACK's codes, and says more than 0x80.
  'client_test5.py': [{ from: '[1][0].value == 0x80', to: '[1][0].value == 0x87' }],
  'mqtt/formats/MQTTV5/MQTTV5.py': [
    { from: 'in [0, 1, 2, 0x80], ', to: 'in [0, 1, 2, 0x80, 0x87], ' },
  ],
}

/** Tests of Paho's whose result depends on a correction. */
export const PAHO_CORRECTED = ['test_subscribe_failure']

export const CORRECTIONS = { mosquitto: MOSQUITTO, paho: PAHO }
