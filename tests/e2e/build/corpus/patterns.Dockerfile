FROM alpine:3
WORKDIR /w
COPY package*.json ./
COPY s?c/[ab].py docs/* /x/
COPY ["with space/a file.txt", "/with space/"]
COPY sub /tree
COPY sub/deep/ /tree/deeper/
COPY . everything/
COPY docs/one.txt /x/renamed.txt
COPY docs /x
