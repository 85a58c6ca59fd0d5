/** What the binary's commands share, and those of them that are more than a few lines. */
export { addMqttCommands } from './mqtt-commands.ts'
export { reach } from './server-line.ts'
