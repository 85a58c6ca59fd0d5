/** The topics under `$SYS/broker` that dashboards for MQTT brokers show. */
export {
  type CountedClient,
  type CountedSession,
  FigureBook,
  type FigureBookParts,
  type KeptFigures,
} from './figure-book.ts'
export { type BrokerFigures, type ProcessFigures, SYS_PREFIX } from './figures.ts'
export { LoadAverages } from './load-averages.ts'
export type { ReplaySource } from './sys-retained.ts'
export { type FigureSource, SysTopics, type SysTopicsParts } from './sys-topics.ts'
