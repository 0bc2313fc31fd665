// Bun's own publish, as https://bun.sh/docs/api/websockets advises: topics, no compression, no limit in mid-burst.
// The path is the room; /echo sends every message back to its sender.
// What /healthz answers is what ours answers.
const fields = { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.env.PORT),
  routes: { "/healthz": new Response("ok", { headers: fields }) },
  fetch(request, server) {
    const room = new URL(request.url).pathname;
    return server.upgrade(request, { data: { room } }) ? undefined : new Response("WebSocket only", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    idleTimeout: 960,
    sendPings: false,
    backpressureLimit: 1024 * 1024 * 1024,
    closeOnBackpressureLimit: false,
    open(socket) {
      socket.subscribe(socket.data.room);
    },
    message(socket, message) {
      if (socket.data.room === "/echo") socket.send(message);
      else server.publish(socket.data.room, message);
    },
  },
});
