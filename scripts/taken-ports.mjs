import { createServer } from 'node:net'

/** The listeners of a configuration whose ports somebody else has. */
export async function takenPorts(config) {
  const doors = [
    { key: 'port', what: 'NATS clients', listen: { host: config.host, port: config.port } },
    { key: 'http_port', what: 'monitoring clients', listen: config.http },
    {
      key: 'websocket.port',
      what: 'WebSocket clients and leaves',
      listen: config.websocket?.listen,
    },
    { key: 'leafnodes.port', what: 'leaves', listen: config.leafnodes.listen },
    { key: 'mqtt.port', what: 'MQTT sensors', listen: config.mqtt?.listen },
  ]
  const found = await Promise.all(
    doors.map(async ({ key, what, listen }) => {
      if (listen === undefined || listen.port === 0 || !(await isTaken(listen))) return []
      return [{ port: listen.port, key, what }]
    }),
  )
  return found.flat()
}

function isTaken({ host, port }) {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error) => resolve(error.code === 'EADDRINUSE'))
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(false)))
  })
}
