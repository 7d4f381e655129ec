# syntax=docker/dockerfile:1
FROM alpine:3
ARG NAME=world
RUN <<EOF
echo one > /one
echo "two $NAME" > /two
EOF
COPY <<settings.ini <<'raw.txt' /etc/app/
[main]
name = $NAME
settings.ini
$NAME stays
raw.txt
RUN cat <<-END > /three
	indented
	END
RUN <<EOS
#!/bin/sh
echo "from $0" > /four
EOS
