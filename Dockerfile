# The command in a container: logins in the volume /home/node/.lockstep, kept by the user `node`.
#
#     docker build -t lockstep .
#     docker run --rm -v lockstep:/home/node/.lockstep lockstep login codex --device --no-browser
#     docker run --rm -v lockstep:/home/node/.lockstep lockstep token codex
FROM node:20.19-bookworm-slim AS build
WORKDIR /src
RUN npm i -g npm@11
COPY . .
RUN npm ci --ignore-scripts && npm run release -- --dry-run --out /out
RUN npm i -g --prefix /opt/lockstep --ignore-scripts /out/lockstep-[0-9]*.tgz

FROM node:20.19-bookworm-slim
COPY --from=build /opt/lockstep /opt/lockstep
RUN ln -s /opt/lockstep/bin/lockstep /usr/local/bin/lockstep \
  && install -d -o node -g node -m 0700 /home/node/.lockstep
USER node
VOLUME /home/node/.lockstep
ENTRYPOINT ["lockstep"]
