import type { Router, WebSocketPeer } from '../../http/index.ts';
import { encodeLogEvent, encodeUpdateEvent } from '../../protocol/ui/index.ts';
import type { Core } from '../core.ts';
import { viewTask } from '../tasks/view.ts';

/** The WebSocket: every change of a task and every line of its log, to everybody who listens. */
export function addLive(router: Router, core: Core): void {
  const peers = new Set<WebSocketPeer>();
  const send = (message: string): void => {
    for (const peer of peers) peer.send(message);
  };
  core.events.changed.on((task) => {
    if (peers.size > 0) send(encodeUpdateEvent(viewTask(task)));
  });
  // Lines are taken apart for this only while somebody listens.
  const listen = (): void => {
    core.logs.listener =
      peers.size === 0
        ? undefined
        : (taskId, records) => {
            const projectId = core.store.task(taskId)?.projectId ?? 0;
            for (const record of records) send(encodeLogEvent(projectId, taskId, record));
          };
  };
  router.handleUpgrade('/api/ws', (peer) => {
    peers.add(peer);
    listen();
    peer.onClose(() => {
      peers.delete(peer);
      listen();
    });
  });
}
