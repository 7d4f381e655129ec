FROM python:3.12-slim
ARG DJANGO_ENV=production
ENV DJANGO_ENV=${DJANGO_ENV} DJANGO_SETTINGS_MODULE="site.settings.${DJANGO_ENV}"
LABEL maintainer="ops@example.org" stage=$DJANGO_ENV
WORKDIR /code
ADD requirements.txt /code/
RUN pip install -r requirements.txt && rm -rf /root/.cache
ADD . /code/
RUN chmod +x docker-entrypoint.sh && mkdir -p static media && touch static/.keep
VOLUME ["/code/media"]
EXPOSE 8000/tcp
ENTRYPOINT ["/code/docker-entrypoint.sh"]
CMD gunicorn site.wsgi --bind 0.0.0.0:8000
